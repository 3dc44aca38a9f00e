"""How long a component takes from nothing to its first byte, beside `docker run -d` of the same image.

    python -m benchmarks.cold_start [--runs 30] [--rounds 5] [--image NAME --port 8080]

Ways: the runtime and a real daemon, each with and without network sandboxes; and a request to a frozen component beside
the engine's unpause. Every round measures each way once, in turn, so that whatever else the machine does hits all of
them. Then many cold components at a time: ten that are asked for at once, and one while twenty others start by
themselves.
"""
