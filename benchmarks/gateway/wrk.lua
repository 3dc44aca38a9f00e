-- A browser's headers. Prints one JSON line at the end. UNIQUE=1: each request has its own X-Request-Id. BODY: POSTs of so many bytes.
local size = tonumber(os.getenv("BODY") or "0")
wrk.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
wrk.headers["Accept"] = "application/json, text/plain, */*"
wrk.headers["Accept-Language"] = "en-US,en;q=0.5"
wrk.headers["Accept-Encoding"] = "gzip, deflate, br, zstd"
wrk.headers["Authorization"] = "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
wrk.headers["Referer"] = "http://app.example.test/dashboard"
if size > 0 then
  wrk.method = "POST"
  wrk.body = string.rep("y", size)
end
if os.getenv("UNIQUE") == "1" then
  local n = 0
  function request()
    n = n + 1
    wrk.headers["X-Request-Id"] = string.format("%016x", n)
    return wrk.format()
  end
end
function done(summary, latency, requests)
  local errors = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout
  io.write(string.format('JSON {"requests":%d,"us":%d,"p50":%d,"p99":%d,"bytes":%d,"errors":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), summary.bytes, errors))
end
