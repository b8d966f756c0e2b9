-- A stub of the `pktgen` table of Pktgen-DPDK: refuses what the tool does not have, prints each call, and counts packets
-- while a clock runs. STUB_STATS: `flat` (older versions) or `curr` (recent ones); STUB_LOSS: one in so many is lost.

local flavour, loss = os.getenv("STUB_STATS"), tonumber(os.getenv("STUB_LOSS") or "0")
local LINE = 10000 -- packets a second at 100 percent
local ports = {}
for port = 0, 1 do
    ports[port] = { opackets = 0, oerrors = 0, ipackets = 0, imissed = 0, rate = 100, count = 0, sending = false, mode = "single" }
end

local function say(name, ...)
    local words = { "call", name }
    for _, word in ipairs({ ... }) do words[#words + 1] = tostring(word) end
    io.stderr:write(table.concat(words, " "), "\n")
end

local function port_of(list)
    local port = ports[tonumber(list)]
    if type(list) ~= "string" or port == nil then error("no such port list: " .. tostring(list), 3) end
    return port
end

-- A function that takes exactly these arguments: p a port list, s a string or number, n a number, o on or off.
local function takes(name, types, run)
    return function(...)
        local given = select("#", ...)
        if given ~= #types then error(name .. ", wrong number of arguments", 2) end
        for at = 1, given do
            local word, kind = select(at, ...), types:sub(at, at)
            if kind == "p" then port_of(word)
            elseif kind == "n" and tonumber(word) == nil then error(name .. ": a number", 2)
            elseif kind == "o" and word ~= "on" and word ~= "off" then error(name .. ": on or off", 2) end
        end
        if name ~= "portStats" and name ~= "isSending" then say(name, ...) end
        return run(...)
    end
end

local function advance(milliseconds)
    for _, port in pairs(ports) do
        if port.sending then
            local frames = math.floor(LINE * port.rate / 100 * milliseconds / 1000)
            if port.count > 0 then
                frames = math.min(frames, port.left)
                port.left = port.left - frames
                if port.left == 0 then port.sending = false end
            end
            port.opackets = port.opackets + frames
            port.mode_sent = (port.mode_sent or 0) + frames
            ports[1].ipackets = ports[1].ipackets + frames - (loss > 0 and frames // loss or 0)
        end
    end
end

local SET = { rate = true, count = true, size = true }
pktgen = {
    screen = takes("screen", "o", function() end),
    delay = takes("delay", "n", advance),
    set = takes("set", "psn", function(list, what, value)
        if not SET[what] then error("set does not support " .. what, 3) end
        port_of(list)[what] = tonumber(value)
    end),
    pcap = takes("pcap", "po", function(list, state) port_of(list).mode = state == "on" and "pcap" or "single" end),
    set_range = takes("set_range", "po", function(list, state) port_of(list).mode = state == "on" and "range" or "single" end),
    set_type = takes("set_type", "ps", function() end),
    start = takes("start", "p", function(list)
        local port = port_of(list)
        port.sending, port.left = true, port.count
        say("sends", list, port.mode)
    end),
    stop = takes("stop", "p", function(list) port_of(list).sending = false end),
    isSending = takes("isSending", "p", function(list)
        return { [tonumber(list)] = port_of(list).sending and "y" or "n" }
    end),
    portStats = takes("portStats", flavour == "flat" and "ps" or "p", function(list)
        local port = port_of(list)
        local stats = { opackets = port.opackets, oerrors = port.oerrors, ipackets = port.ipackets, imissed = port.imissed }
        if flavour == "flat" then stats.imissed = nil end
        return { n = 1, [tonumber(list)] = flavour == "flat" and stats or { curr = stats } }
    end),
    range = { ip_proto = takes("range.ip_proto", "ps", function() end) },
}
for _, field in ipairs({ "dst_mac", "src_ip", "dst_ip", "src_port", "dst_port", "pkt_size" }) do
    pktgen.range[field] = takes("range." .. field, "pss", function(_, what)
        if not ({ start = true, min = true, max = true, inc = true })[what] then error(what, 3) end
    end)
end
local function refuse(_, name) error("pktgen has no " .. name, 2) end
setmetatable(pktgen, { __index = refuse })
setmetatable(pktgen.range, { __index = refuse })
