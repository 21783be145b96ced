"""Functions of tensors: returns, the formulas of the losses, distributions, running moments."""
