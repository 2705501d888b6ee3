"""The book's training loops beside raw JAX, PyTorch and Keras on other backends: ``make bench``."""
