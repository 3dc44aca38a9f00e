"""Certificates for the TLS listeners: from files, read again when they change, and automatic ones by ACME.

`service.Certificates` is what the daemon uses; whoever shows them is handed the whole set at each change. It must not
know how TLS is spoken, only what a certificate is.
"""
