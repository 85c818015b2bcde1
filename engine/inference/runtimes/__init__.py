"""Programs that run the network on a window, behind one interface."""
