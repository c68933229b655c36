"""The one exception that means: what was asked for cannot be done, and here is what to change."""


class UserError(ValueError):
    """Bad input. Its message is one line that names the offending thing and says what to do."""
