"""What choosing, limiting and counting costs, beside the client alone and beside other routers."""
