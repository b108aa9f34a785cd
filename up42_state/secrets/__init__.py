"""Keep secrets in the process: recognise what is secret, and take it out of every text that leaves."""
