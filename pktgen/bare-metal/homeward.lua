-- Mobile IP registration requests for Pktgen-DPDK: trials at given rates, and what came out at the home agents' port.
--
--   pktgen write-pcap mine.toml --output requests.pcap --requests 1000000     (Homeward's generator)
--   HOMEWARD_RATES=10,25,50 pktgen -l 1-5 -- -P -m "[2:3].0,[4:5].1" -s 0:requests.pcap -f homeward.lua
--
-- Settings are environment variables, see below. Mode `requests` plays the capture, since a range cannot vary a UDP payload:
-- first each request once (new sessions), then one trial a rate (repeats). Mode `route` needs no capture: datagrams from
-- many foreign agents to a home agent's own address, which the director routes and does not balance. It tells what ports, bus
-- and RSS are worth without the balancer. See docs/bare-metal.md.

local function setting(name, default)
    local value = os.getenv("HOMEWARD_" .. name)
    if value == nil or value == "" then return default end
    return value
end

local function number(name, default)
    local value = tonumber(setting(name, default))
    if value == nil then error("HOMEWARD_" .. name .. " is not a number") end
    return value
end

local mode = setting("MODE", "requests")                -- requests or route
local tx = setting("TX", "0")                           -- the foreign agents' port
local rx = setting("RX", "1")                           -- the home agents' port
local rates = setting("RATES", "1,5,10,25,50,100")      -- percent of the line, a trial each
local seconds = number("SECONDS", "60")                 -- of a trial
local settle = number("SETTLE", "2")                    -- seconds until what is late counts as lost
local requests = number("REQUESTS", "1000000")          -- in the capture
local warmup = setting("WARMUP", "1")                   -- percent of the line, while sessions are made
local bytes = number("SIZE", "118")                     -- of a frame, without FCS
local results = setting("RESULTS", "homeward-results.csv")
-- For route only: the director's port, a home agent, and the first and last foreign agent.
local director = setting("DIRECTOR_MAC", nil)
local home = setting("HOME", "10.1.1.51")
local first, last = setting("FIRST_AGENT", "15.1.1.51"), setting("LAST_AGENT", "15.1.1.250")

local FCS = 4

-- A port's counters. Recent versions take one argument and put them into `curr`; older ones take two.
local function counters(port)
    local ok, stats = pcall(pktgen.portStats, port, "port")
    if not ok then stats = pktgen.portStats(port) end
    local of = stats[tonumber(port)]
    return of.curr or of
end

local function sending(port)
    local states = pktgen.isSending(port)
    local state = states[tonumber(port)]
    return state == "y" or state == true
end

-- Sends at a rate for a time, or until `count` frames are gone; what was sent and what arrived.
local function trial(rate, milliseconds, count)
    pktgen.set(tx, "rate", rate)
    pktgen.set(tx, "count", count)
    local sent, arrived = counters(tx), counters(rx)
    local opackets, oerrors, ipackets, imissed = sent.opackets, sent.oerrors, arrived.ipackets, arrived.imissed or 0
    pktgen.start(tx)
    if count == 0 then
        pktgen.delay(milliseconds)
    else
        local waited = 0
        while sending(tx) and waited < milliseconds do
            pktgen.delay(100)
            waited = waited + 100
        end
    end
    pktgen.stop(tx)
    pktgen.delay(settle * 1000)
    sent, arrived = counters(tx), counters(rx)
    return {
        sent = sent.opackets - opackets,
        refused = sent.oerrors - oerrors,
        arrived = arrived.ipackets - ipackets,
        missed = (arrived.imissed or 0) - imissed,
    }
end

local function route()
    if director == nil then error("HOMEWARD_DIRECTOR_MAC is missing") end
    local range = pktgen.range
    range.dst_mac(tx, "start", director)
    for _, field in ipairs({ { range.src_ip, first, last, "0.0.0.1" }, { range.dst_ip, home, home, "0.0.0.0" } }) do
        local set, from, to, step = field[1], field[2], field[3], field[4]
        set(tx, "start", from)
        set(tx, "min", from)
        set(tx, "max", to)
        set(tx, "inc", step)
    end
    for _, field in ipairs({ { range.src_port, 1024, 65535, 1 }, { range.dst_port, 9, 9, 0 },
                             { range.pkt_size, bytes + FCS, bytes + FCS, 0 } }) do
        local set, from, to, step = field[1], field[2], field[3], field[4]
        set(tx, "start", from)
        set(tx, "min", from)
        set(tx, "max", to)
        set(tx, "inc", step)
    end
    pktgen.set_type(tx, "ipv4")
    range.ip_proto(tx, "udp")
    pktgen.set_range(tx, "on")
end

local function main()
    local file = assert(io.open(results, "w"))
    local function report(what, rate, result)
        local lost = result.sent - result.arrived
        local line = string.format("%s,%s,%d,%d,%d,%d,%d\n", what, rate, result.sent, result.arrived, lost, result.refused,
            result.missed)
        file:write(line)
        file:flush()
        io.write(line)
    end
    local heading = "trial,rate_percent,sent,arrived,lost,not_taken_by_the_nic,missed_by_the_sink\n"
    file:write(heading)
    io.write(heading)
    pktgen.screen("off")
    -- Older versions reckon the rate by this size also when they play a capture.
    pktgen.set(tx, "size", bytes + FCS)
    if mode == "requests" then
        pktgen.pcap(tx, "on")
        report("new", warmup, trial(warmup, 24 * 3600 * 1000, requests))
    elseif mode == "route" then
        route()
    else
        error("HOMEWARD_MODE is requests or route")
    end
    for rate in string.gmatch(rates, "[^,]+") do
        report(mode == "route" and "route" or "repeat", rate, trial(rate, seconds * 1000, 0))
    end
    file:close()
    pktgen.pcap(tx, "off")
    pktgen.set_range(tx, "off")
    pktgen.screen("on")
end

main()
