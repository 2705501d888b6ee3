"""What all experiments share: a record of results, training that can be killed, copies trained side by side."""
