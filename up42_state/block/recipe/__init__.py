"""What a block's output is made of, as its recipe counts it: the code, the command, the parameters."""
