"""What a browser gets from a node: the join page, the SDK (``sdk/starling.js``) and their style.

Static files without a build step and without anything from elsewhere. This package holds no code;
it is one so that an installed Starling brings them along.
"""
