"""A trained network for others: its classes of images, its file for ONNX Runtime, its module for PyTorch."""
