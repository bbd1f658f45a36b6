"""A pytest plugin for tests of devices behind starproxy.

It is loaded by its entry point. A test that has the fixture ``starproxy`` gets a proxy that
is set up anew, and a failed one leaves a bundle of its session and tells the exchanges.
"""
