"""Jumpstarter driver that runs starproxy."""
