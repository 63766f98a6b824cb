-- What wrk sends, and what it says at the end: wrk -s load.lua URL -- METHOD CONTENT_TYPE BODY_FILE AUTHORIZATION
-- Each word may be empty, but for the method. The last line of the output is JSON; times in it are in microseconds.

function init(words)
   wrk.method = words[1]
   if words[2] ~= "" then wrk.headers["Content-Type"] = words[2] end
   if words[3] ~= "" then
      local file = assert(io.open(words[3], "rb"))
      wrk.body = file:read("*a")
      file:close()
   end
   if words[4] ~= "" then wrk.headers["Authorization"] = words[4] end
   prepared = wrk.format()
end

function request()
   return prepared
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '\n{"answers": %d, "microseconds": %d, "median": %d, "p99": %d, "bad_statuses": %d, "timeouts": %d, "sockets": %d}\n',
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
      errors.status, errors.timeout, errors.connect + errors.read + errors.write))
end
