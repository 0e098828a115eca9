"""Extracts of the vendors' API descriptions: the shapes of the operations that are in use here, without any text.

`hetzner_cloud.json` is of Hetzner's own description of its Cloud API, `hetzner_robot.json` of the unofficial one of
Robot's webservice (MIT licence, held against recorded exchanges), `robot_endpoints.json` of the limits and error codes
in Robot's documentation. `python -m tests.specs.extract FOLDER` makes them anew of the whole descriptions.
"""
