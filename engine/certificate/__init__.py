"""Certificates: what was decided, as files that anyone can check without this engine.

docs/certificate-format.md is the format; `engine.audit` checks them and shares no code with this.
"""

from engine.certificate.writer import certificate_bytes, certificate_name

__all__ = ["certificate_bytes", "certificate_name"]
