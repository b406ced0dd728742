"""Kubernetes objects as data, shared by every target of that family: one idea a file.

Checked against the published schemas of Kubernetes 1.37 (strict) and of the custom resources; what a controller does
with them is stated with its source beside the code that relies on it.
"""
