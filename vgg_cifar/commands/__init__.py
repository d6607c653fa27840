"""The verbs of `vgg-cifar`, one file each: HELP, EPILOG, add_arguments(parser), run(arguments) -> exit status."""
