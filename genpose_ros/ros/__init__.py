"""Messages in, messages out: adapters, parameters, synchronising and nodes.

The only folder that imports ROS. The nodes are in modules of their own (`estimator_node`), which
nothing else imports.
"""
