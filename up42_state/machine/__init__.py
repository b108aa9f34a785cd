"""Paths, mounts, directory trees and locks on this machine. No module here knows of stages."""
