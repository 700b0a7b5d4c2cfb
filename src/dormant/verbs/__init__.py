"""One function a command: what ``import dormant`` gives, in the order of the command's help."""
