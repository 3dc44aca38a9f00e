"""`make demo` and `make demo-stop`: the product's main job, done on real parts and shown with its times.

__main__   sets up what is needed, with the system's own Python
image      the example component's image, built without any registry
parts      the processes that the demo starts, reuses and stops
journey    what is shown, step by step, in the project's environment
"""
