"""Verbs for the engines that run workflows: write a document, do a step between directories."""
