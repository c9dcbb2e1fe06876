std = "luajit"
max_line_length = 100
self = false
files["spec"] = { std = "luajit+busted", max_line_length = 120 }
files["scripts/rules"] = { read_globals = { "explain" } }
files["scripts/meta"] = { ignore = { "211", "212", "241", "431" }, max_line_length = false }
exclude_files = { "build" }
