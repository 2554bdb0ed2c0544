"""What a deployment costs a month, before there is one."""
