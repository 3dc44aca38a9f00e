"""Upgrades under load: how long requests wait while one process of a node follows another, and that none fails.

`make bench-upgrade`, or `python -m benchmarks.upgrade [--upgrades N] [--rate R] [--workers W]`. A real daemon, a real
container of eight slots, requests of 10 ms at a steady rate, half of them on new connections; the daemon is upgraded
again and again by SIGHUP. Exit code 1 if a request failed or the container had more at a time than its limit.
"""
