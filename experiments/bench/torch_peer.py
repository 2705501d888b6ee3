"""The benchmark in PyTorch: modules, autograd and fused Adam, in eager mode or through `torch.compile`.

In the step of G, D's weights need no gradients, and are told so. Convolutions may have their channels last in memory.
Where PyTorch sees a CUDA device, all of it is there.
"""

import functools

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, grad, grad_and_value, stack_module_state, vmap
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from experiments.bench import cases

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
torch.backends.cudnn.allow_tf32 = False  # convolutions in float32, as PyTorch's matrix products are by default
ACTIVATIONS = {"relu": nn.ReLU, "leaky_relu": functools.partial(nn.LeakyReLU, cases.SLOPE), "sigmoid": nn.Sigmoid}


class Reshape(nn.Module):
    """Rows to images, from the order of numbers that Keras has: the channels last."""

    layout = torch.contiguous_format

    def __init__(self, shape):
        super().__init__()
        self.shape = shape

    def forward(self, x):
        """Return images (n, channels, height, width)."""
        return x.reshape(-1, *self.shape).permute(0, 3, 1, 2).contiguous(memory_format=self.layout)


class Flatten(nn.Module):
    """Images to rows, in the same order."""

    def forward(self, x):
        """Return rows (n, height · width · channels)."""
        return x.permute(0, 2, 3, 1).flatten(1)


def network(case, name, seed=0):
    """Return a network of a case with its first weights."""
    weights = iter(case.weights(name, seed))
    layers = [module for layer in case.networks[name] for module in _modules(layer, weights)]
    return nn.Sequential(*layers).train().to(DEVICE)


def _modules(layer, weights):
    """Return the modules of one layer; it takes its weights from an iterator."""
    settings, strided = dict(bias=layer.bias), dict(kernel_size=4, stride=2, padding=1)
    if layer.kind in ("flatten", "reshape"):
        return [Reshape(layer.shape) if layer.shape else Flatten()]
    if layer.kind == "normalise":
        kind = (
            nn.BatchNorm2d if layer.inputs < 1000 else nn.BatchNorm1d
        )  # after a transposed convolution, or a dense one
        module = kind(layer.inputs, eps=cases.BATCH_NORM["epsilon"], momentum=1 - cases.BATCH_NORM["momentum"])
        axes = (0,)
    elif layer.kind == "dense":
        module, axes = nn.Linear(layer.inputs, layer.outputs, **settings), (1, 0)
    else:
        kind = nn.Conv2d if layer.kind == "convolution" else nn.ConvTranspose2d
        module, axes = kind(layer.inputs, layer.outputs, **strided, **settings), (3, 2, 0, 1)
    with torch.no_grad():
        module.weight.copy_(torch.tensor(next(weights).transpose(axes)))
        if module.bias is not None:
            module.bias.copy_(torch.tensor(next(weights)))
    return [module, *([ACTIVATIONS[layer.activation]()] if layer.activation else [])]


def adam(case, parameters):
    """Return the case's optimiser, with all of a step in one call."""
    rate, *betas = case.adam
    return torch.optim.Adam(parameters, rate, tuple(betas), eps=cases.EPSILON, fused=True)


class Autoencoder:
    """The autoencoder and its step."""

    def __init__(self, case, form):
        self.model = network(case, "autoencoder")
        self.optimizer = adam(case, self.model.parameters())
        self.loss = torch.compile(self._loss) if "compile" in form else self._loss

    def _loss(self, real):
        """Return the mean cross-entropy."""
        return functional.binary_cross_entropy(self.model(real), real)

    def step(self, real, latents=None):
        """Make a step, and return the loss."""
        self.optimizer.zero_grad()
        loss = self.loss(real)
        loss.backward()
        self.optimizer.step()
        return {"loss": loss.detach()}


class Gan:
    """Both networks and the step of the game."""

    def __init__(self, case, form):
        self.case, self.compiled = case, "compile" in form
        self.generator, self.discriminator = (network(case, name) for name in ("generator", "discriminator"))
        self.layout = torch.channels_last if "channels-last" in form else torch.contiguous_format
        for net in (self.generator, self.discriminator):
            net.to(memory_format=self.layout)
        for module in self.generator:
            if isinstance(module, Reshape):
                module.layout = self.layout
        self.average = AveragedModel(self.generator, multi_avg_fn=get_ema_multi_avg_fn(cases.KEEP))
        self.average.update_parameters(self.generator)  # the first call copies
        self.g_optimizer = adam(case, self.generator.parameters())
        self.d_optimizer = adam(case, self.discriminator.parameters())
        wrap = torch.compile if self.compiled else lambda function: function
        self.d_loss, self.g_loss, self.generate = wrap(self._d_loss), wrap(self._g_loss), wrap(self.generator)

    def _d_loss(self, real, fake):
        """Return D's loss with its penalty, and without."""
        value = functional.softplus(-self.discriminator(real)).mean()
        value = value + functional.softplus(self.discriminator(fake)).mean()
        return value + self._penalty(real) if self.case.r1 else value, value

    def _penalty(self, real):
        """Return (γ/2) E‖∇D‖² on real examples."""
        total = lambda x: self.discriminator(x).sum()  # noqa: E731
        if self.compiled:  # torch.compile cannot differentiate what torch.autograd.grad returns
            gradients = grad(total)(real)
        else:
            real = real.detach().requires_grad_()
            (gradients,) = torch.autograd.grad(total(real), real, create_graph=True)
        return self.case.r1 / 2 * gradients.square().flatten(1).sum(dim=1).mean()

    def _g_loss(self, latents):
        """Return G's loss."""
        return functional.softplus(-self.discriminator(self.generator(latents))).mean()

    def step(self, real, latents):
        """Move D and then G one step, and return both losses."""
        with torch.no_grad():
            fake = self.generate(latents[0])
        self.d_optimizer.zero_grad()
        loss, d_loss = self.d_loss(real, fake)
        loss.backward()
        self.d_optimizer.step()
        self.discriminator.requires_grad_(False)
        self.g_optimizer.zero_grad()
        g_loss = self.g_loss(latents[1])
        g_loss.backward()
        self.g_optimizer.step()
        self.discriminator.requires_grad_(True)
        self.average.update_parameters(self.generator)
        return {"d_loss": d_loss.detach(), "g_loss": g_loss.detach()}


class ManyGans:
    """Copies of dense networks side by side: their weights stacked, the losses mapped over them by `torch.func`."""

    def __init__(self, case, form):
        self.case, self.nets, self.weights, self.optimizers = case, {}, {}, {}
        for name in ("generator", "discriminator"):
            copies = [network(case, name, seed) for seed in range(case.seeds)]
            self.weights[name], _ = stack_module_state(copies)
            self.nets[name], self.optimizers[name] = copies[0], adam(case, self.weights[name].values())
        self.average = [weight.detach().clone() for weight in self.weights["generator"].values()]
        self.d_step = vmap(grad_and_value(self._d_loss, has_aux=True), in_dims=(0, None, 0))
        self.g_step = vmap(grad_and_value(self._g_loss), in_dims=(0, 0, 0))
        self.generate = vmap(functools.partial(functional_call, self.nets["generator"]))

    def _d_loss(self, weights, real, fake):
        """Return D's loss with its penalty, and without."""
        judge = functools.partial(functional_call, self.nets["discriminator"], weights)
        value = functional.softplus(-judge((real,))).mean() + functional.softplus(judge((fake,))).mean()
        gradients = grad(lambda x: judge((x,)).sum())(real)
        return value + self.case.r1 / 2 * gradients.square().sum(dim=1).mean(), value

    def _g_loss(self, weights, judge, latents):
        """Return G's loss."""
        fake = functional_call(self.nets["generator"], weights, (latents,))
        return functional.softplus(-functional_call(self.nets["discriminator"], judge, (fake,))).mean()

    def step(self, real, latents):
        """Move every D and then every G one step, and return the mean losses; latents (copies, 2, batch, latent)."""
        judges, makers = self._plain("discriminator"), self._plain("generator")
        gradients, (_, d_losses) = self.d_step(judges, real, self.generate(makers, (latents[:, 0],)))
        self._descend("discriminator", gradients)
        gradients, g_losses = self.g_step(makers, self._plain("discriminator"), latents[:, 1])
        self._descend("generator", gradients)
        torch._foreach_lerp_(self.average, list(self._plain("generator").values()), 1 - cases.KEEP)
        return {"d_loss": d_losses.mean(), "g_loss": g_losses.mean()}

    def _plain(self, name):
        """Return the stacked weights without their gradients."""
        return {key: weight.detach() for key, weight in self.weights[name].items()}

    def _descend(self, name, gradients):
        """Move the copies of one network."""
        for key, weight in self.weights[name].items():
            weight.grad = gradients[key]
        self.optimizers[name].step()


def train(case, form, told, latents=None):
    """Train in stretches of `case.steps` steps, and tell their mean losses, until `told` raises `cases.Finished`.

    Parameters
    ----------
    case : cases.Case
        What to train.
    form : str
        "eager" or "compile", with " channels-last" for convolutions, or "vmap" for several seeds.
    told : callable
        ``told(losses)``, called after each stretch.
    latents : ndarray of shape (steps, 2, batch, latent), or (steps, seeds, 2, batch, latent), optional
        For a comparison of losses; otherwise each step draws its own.
    """
    torch.manual_seed(0)
    kind = Autoencoder if "autoencoder" in case.networks else ManyGans if form == "vmap" else Gan
    player = kind(case, form)
    data, rows = (torch.tensor(array, device=DEVICE) for array in (case.data(), case.rows()))
    if data.ndim == 4:
        data = data.permute(0, 3, 1, 2).contiguous(memory_format=getattr(player, "layout", torch.contiguous_format))
    shape = (2, case.batch, case.latent if "generator" in case.networks else 0)
    shape = (case.seeds, *shape) if form == "vmap" else shape
    given = None if latents is None else torch.tensor(np.asarray(latents), device=DEVICE)
    while True:
        log = []
        for number, chosen in enumerate(rows):
            drawn = torch.randn(shape, device=DEVICE) if given is None else given[number]
            log.append(player.step(data[chosen], drawn))
        told({name: float(torch.stack([losses[name] for losses in log]).mean()) for name in log[0]})
