"""The ACAS Xu system: its facts, properties and files. Nothing outside this folder knows its units."""
