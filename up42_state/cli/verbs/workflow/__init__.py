"""``workflow``: what is done with workflow documents besides running them."""
