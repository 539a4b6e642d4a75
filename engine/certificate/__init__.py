"""Certificates: verdicts as files that anyone can check without this engine.

docs/certificate-format.md is the format; `engine.audit` checks them and shares no code with this.

    encoding.py  what all kinds are made of: numbers, cases, arrays, the file around them
    writer.py    verdicts -> certificates
    questions.py verdicts about several networks -> certificates
    check.py     one certificate -> the checker's result
    batch.py     many certificates side by side
    lookup.py    networks and properties in folders by SHA-256
    parallel.py  work divided among processes
    report.py    the audit report
"""

from engine.audit.check import Result as CheckResult
from engine.certificate.check import check_certificate
from engine.certificate.questions import question_certificate_bytes, write_question_certificate
from engine.certificate.writer import certificate_bytes, certificate_name, write_certificate

__all__ = [
    "CheckResult",
    "certificate_bytes",
    "certificate_name",
    "check_certificate",
    "question_certificate_bytes",
    "write_certificate",
    "write_question_certificate",
]
