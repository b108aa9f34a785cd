"""The verbs that make documents of stages for other programs."""
