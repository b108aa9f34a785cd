"""The verbs that look into stages and outputs: nothing is restored or saved."""
