"""What tests of several folders share: recipes, environments, processes, steps and comparisons."""
