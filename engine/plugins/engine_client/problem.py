"""The ways in which a removal ends without a result."""


class Problem(Exception):
    """What the user is to be told: what is wrong, and the remedy."""


class Cancelled(Exception):
    """The user does not want it any more."""
