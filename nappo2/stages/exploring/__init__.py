"""Stages that reward an agent for what is new to it, and the bonuses that they pay."""
