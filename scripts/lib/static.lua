-- Files of the page, each with an ETag, served from memory: read once per worker.
local config = require("host.config")
local crypto = require("host.crypto")
local json = require("lib.json")
local entity_tag = require("lib.entity_tag")
local packing = require("lib.packing")
local problem = require("lib.problem")
local worker = require("host.worker")

local static = {}

local TYPES = {
  html = "text/html; charset=utf-8", css = "text/css; charset=utf-8", svg = "image/svg+xml",
  js = "text/javascript; charset=utf-8", json = "application/json", png = "image/png",
  ico = "image/x-icon", txt = "text/plain; charset=utf-8",
  webmanifest = "application/manifest+json",
}
-- No script, style or picture but our own; nothing may frame the page. It may call this server, and
-- the one that gives it tokens.
local POLICY = "default-src 'none'; script-src 'self'%s; style-src 'self'; img-src 'self' data:; "
  .. "connect-src 'self'%s; manifest-src 'self'; worker-src 'self'; form-action 'none'; "
  .. "base-uri 'none'; frame-ancestors 'none'"

---The origin of a URL, where it is nothing but letters that a policy may hold.
---@param url string|nil
---@return string|nil
local function origin_of(url)
  return (url or ""):match("^https?://[%w%.%-:%[%]]+")
end

-- A script that a document has between its tags may run as it is, and as nothing else.
local function hashes_of(document)
  local list = {}
  for script in document:gmatch("<script>(.-)</script>") do
    list[#list + 1] = " 'sha256-" .. crypto.base64_encode(crypto.sha256(script)) .. "'"
  end
  return table.concat(list)
end

local function policy(document)
  local origin = origin_of(config.get("AUTH_TOKEN_URL"))
  return POLICY:format(hashes_of(document), origin and " " .. origin or "")
end

-- Bytes with their own headers: the file as it is, or packed.
local function variant(content, etag, common, more)
  local headers = { ETag = '"' .. etag .. '"' }
  for _, from in ipairs({ common, more or {} }) do
    for name, value in pairs(from) do
      headers[name] = value
    end
  end
  return { content = content, headers = headers }
end

local function load(path)
  local content = worker.read_file(path)
  if not content then
    return nil
  end
  local kind = path:match("%.(%w+)$")
  local etag = crypto.hex(crypto.sha256(content)):sub(1, 32)
  local common = {
    ["Content-Type"] = TYPES[kind] or "application/octet-stream",
    ["Cache-Control"] = "no-cache",
    ["Vary"] = "Accept-Encoding",
    -- Of documents and workers: elsewhere it means nothing, and it is longer than some files.
    ["Content-Security-Policy"] = (kind == "html" or kind == "svg" or path:find("sw%.js$"))
      and policy(content) or nil,
    ["Referrer-Policy"] = kind == "html" and "no-referrer" or nil,
  }
  local file = variant(content, etag, common)
  local packed = kind ~= "png" and worker.gzip(content)
  if packed and #packed < #content then
    file.packed = variant(packed, etag .. "-gzip", common, { ["Content-Encoding"] = "gzip" })
  end
  return file
end

local function answer(file, request)
  if not file then
    return problem.reply(problem.not_found("There is nothing here"))
  end
  if file.packed and packing.takes_gzip(request.headers["accept-encoding"]) then
    file = file.packed
  end
  if entity_tag.matches(request.headers["if-none-match"], file.headers.ETag) then
    return 304, "", file.headers
  end
  return 200, file.content, file.headers
end

---A handler that serves one file of web/ or scripts/.
---@param path string  "web/index.html"
---@return fun(request: service.Request): integer, any, table|nil
function static.file(path)
  local file
  return function(request)
    file = file or load(path)
    return answer(file, request)
  end
end

-- index.html is the folder itself, x.html is /x; any other file has its own name.
local function address(name)
  return "/" .. name:gsub("%f[%w]index%.html$", ""):gsub("%.html$", "")
end

---A handler that names the files of a page, for its service worker to keep, and a version that
---changes with any of them.
---@param files fun(): table<string, table>
---@return fun(): integer, string, table
function static.list(files)
  return function()
    local list, all = {}, {}
    for path, file in pairs(files()) do
      list[path] = file.headers.ETag
      all[#all + 1] = path .. file.headers.ETag
    end
    table.sort(all)
    local version = crypto.hex(crypto.sha256(table.concat(all))):sub(1, 16)
    return 200, json.encode({ version = version, files = list }), { ["Cache-Control"] = "no-cache" }
  end
end

---Routes for all files of a known type that a folder has when the service starts, and GET
---/shell.json, which names them. Whatever else is asked for is not read from the disk.
---@param folder string  "web"
---@return service.Route[]
function static.folder(folder)
  local names, files = {}, nil
  for _, name in ipairs(worker.list_files(folder .. "/") or {}) do
    if TYPES[name:match("%.(%w+)$")] then
      names[#names + 1] = name
    end
  end
  -- All at once, so that they are of one state of the folder.
  local function all()
    if not files then
      files = {}
      for _, name in ipairs(names) do
        files[address(name)] = load(folder .. "/" .. name)
      end
    end
    return files
  end

  local routes = { { "GET", "/shell.json", static.list(all), auth = false, doc = false } }
  for _, name in ipairs(names) do
    local path = address(name)
    routes[#routes + 1] = { "GET", path, auth = false, doc = false, function(request)
      return answer(all()[path], request)
    end }
  end
  return routes
end

return static
