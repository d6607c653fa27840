"""The verbs of `vgg-cifar`, one file each, with add_arguments(parser) and run(arguments) -> exit status."""
