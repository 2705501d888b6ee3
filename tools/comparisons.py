"""What is known of longer runs than those behind the book's comparisons, for the status page and a test.

A comparison has seeds and a stored curve; whether its order would survive a longer training is another question. The
names of claims below are patterns of `fnmatch`.
"""

from fnmatch import fnmatchcase

# Claims whose order was found again at another length, at least twice or at most half of it, and where.
LONGER = {
    "tied-over-untied-sse": "40 and 80 epochs",
    "two-layers-over-one-layer-8-sse": "40 and 80 epochs",
    "denoising-over-wide-sse": "20 and 40 epochs",
    "l1-over-top-50-sse": "20 and 40 epochs",
    "top-25-over-l1-sse": "20 and 40 epochs",
    "plain-decoder-mixture-fdd-over-vae": "12 epochs, and the variational one alone 800",
    "supervised-all-labels-*": "10, 20 and 40 epochs",
    "supervised-plain-*-untuned": "480 and 960 steps",
    "supervised-plain-*-small": "480 and 960 steps",
    "dcgan-eight-passes-fdd-over-dense": "8 passes, and 16 with one seed",
    "size-study-best-over-default": "3 s, and 12 s with two seeds",
    "stability-falling-quality-gained": "8,000 and 16,000 steps",
    "stability-fading-quality-gained": "8,000 and 16,000 steps",
}
# Results whose other comparisons hold at one length: the chapter that says so, and in which words.
STATED = {
    "code_distributions": ("autoencoders/variational_autoencoder", "Neither kind can be called converged"),
    "conditional_forms": ("gans/conditional", "a short training"),
    "conditional_gan": ("gans/conditional", "longer runs were not compared"),
    "connections": ("practice/connections", "which model is best *after this budget*"),
    "cycle": ("colour/translation", "longer runs were not completed"),
    "dcgan": ("gans/dcgan", "Both distances are still falling"),
    "diffusion": ("practice/what_came_next", "neither of the two was trained for longer"),
    "discrete_codes": ("colour/discrete_codes", "longer runs were not made"),
    "fair_mixtures": ("gans/stability", "These runs have not converged"),
    "few_pictures": ("colour/few_pictures", "So the values are not final"),
    "few_pictures_tuned": ("colour/few_pictures", "whether the order reverses later is open"),
    "gan_ablation": ("gans/corrected_loop", "progress, not final values"),
    "gan_recipes": ("gans/corrected_loop", "trained the same recipe for about a minute"),
    "mixture_remedies": ("gans/stability", "These runs have not converged"),
    "own_sizes": ("practice/your_own_data", "longer training would probably leave less"),
    "private_generator": ("practice/trust", "a longer training was not measured"),
    "robustness": ("practice/trust", "for five {term}`epochs <epoch>`"),
    "size_study": ("practice/choosing_size", "A choice is a choice *for a budget and a code size*"),
    "sizes": ("practice/your_own_data", "had not converged"),
    "style_gan": ("gans/style", "passes over the training digits"),
    "supervised_long": ("autoencoders/supervised_autoencoder", "they have one length only"),
    "translation": ("colour/translation", "a longer schedule was not tried"),
    "variants": ("autoencoders/variants", "The wide networks have not quite converged"),
}


def lengths(claim):
    """Return at which lengths the order of a comparison was found, or "" where it is known at one alone."""
    return next((where for pattern, where in LONGER.items() if fnmatchcase(claim["name"], pattern)), "")


def split(claims):
    """Return the comparisons among the claims: those whose order is known at two lengths, and the others."""
    compared = [claim for claim in claims if claim.get("comparison")]
    return [one for one in compared if lengths(one)], [one for one in compared if not lengths(one)]
