"""Repair by gradient descent on certified bounds."""
