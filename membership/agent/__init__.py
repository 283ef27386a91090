"""The serf agent of this node: started, kept alive, joined to others, ordered about, ended.

supervision.py starts one life after another (life.py) from the files in files.py; no child outlives this process
(child.py, and tether.py between the two). external.py uses an agent that somebody else runs instead.
joining.py is one attempt to join, orders.py what an operator may ask of the agent.
"""
