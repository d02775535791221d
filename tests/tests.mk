# The test targets, kept beside the tests.
