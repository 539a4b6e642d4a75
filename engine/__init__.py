"""Prove, or refute, the safety properties of ACAS Xu networks."""
