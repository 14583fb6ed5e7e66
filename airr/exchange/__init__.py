"""Campaigns in the form in which trajectories are published, in and out."""
