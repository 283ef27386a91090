"""People who register and log in at the node itself, for operators without a service of their own.

Built-in accounts are one of three sources of user tokens, beside an operator's API key and the guest
endpoint, and may be turned off. An account is a document in the cluster's repository: any node
registers, checks and changes it. What leaves this package is who somebody is, never a password.
"""
