package coordinator

import (
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"lucid.internal/coordinator/internal/api"
	"lucid.internal/coordinator/internal/challenge"
	"lucid.internal/coordinator/internal/hostname"
	"lucid.internal/coordinator/internal/pool"
	"lucid.internal/coordinator/internal/tron"
	"lucid.internal/shared/proof"
)

// Bounds that no setting may leave.
const (
	minInterval  = time.Second
	maxInterval  = 24 * time.Hour
	maxValidity  = 15 * time.Minute
	minRetention = 24 * time.Hour // samples lie in partitions of one day
	maxVetting   = 1_000_000
	maxVetDays   = 3650
	maxRate      = 10_000_000 // requests a minute
	maxFreeMiB   = 1 << 30
)

// check finds everything that is wrong with the joined values.
func (l *loader) check() {
	l.checkGeneral()
	l.checkAPI()
	l.checkMQTT()
	l.checkDatabase()
	l.checkPool()
	l.checkPoot()
	l.checkEpoch()
	l.checkPayout()
	l.checkTron()
}

// require reports a fault of the setting unless ok.
func (l *loader) require(ok bool, key, format string, args ...any) {
	if !ok {
		l.fault(key, l.origins.ByKey[key], format, args...)
	}
}

func (l *loader) between(key string, v, low, high int) {
	l.require(v >= low && v <= high, key, "%d is not in %d..%d", v, low, high)
}

func (l *loader) lasts(key string, v, low, high time.Duration) {
	l.require(v >= low && v <= high, key, "%s is not between %s and %s", v, low, high)
}

func (l *loader) checkGeneral() {
	c := &l.config
	l.require(c.DataDir != "", "data_dir", "is empty")
	l.between("data_min_free_mib", c.DataMinFree, 0, maxFreeMiB)
	if c.MasterKey != "" {
		_, err := c.MasterKeys()
		l.require(err == nil, "master_key", "is not 32 bytes in hexadecimal or base64")
	}
	for _, host := range c.PublicHosts {
		l.require(hostname.Valid(host), "public_hosts", "%q is neither a host name nor an IP address", host)
	}
	l.require(c.Log.Format == "json" || c.Log.Format == "text" || c.Log.Format == "auto",
		"log.format", "%q is not json, text or auto", c.Log.Format)
	l.between("vetting.challenges", c.Vetting.Challenges, 0, maxVetting)
	l.between("vetting.days", c.Vetting.Days, 0, maxVetDays)
	l.require(c.Node.CommandTimeout >= time.Second && c.Node.CommandTimeout <= time.Hour, "node.command_timeout", "%s is not from 1s to 1h", c.Node.CommandTimeout)
	l.require(c.Node.KeyAge == 0 || c.Node.KeyAge >= time.Hour && c.Node.KeyAge <= 87600*time.Hour, "node.key_age", "%s is neither 0 nor from 1h to 87600h", c.Node.KeyAge)
	l.require(c.Node.KeyOverlap >= maxValidity && c.Node.KeyOverlap <= 720*time.Hour, "node.key_overlap", "%s is not from %s to 720h", c.Node.KeyOverlap, maxValidity)
	l.checkRetention()
}

// checkRetention keeps rollups from ending before the samples that they are of.
func (l *loader) checkRetention() {
	c := &l.config.Retention
	l.require(c.Raw >= minRetention, "retention.raw", "%s is less than %s", c.Raw, minRetention)
	for key, v := range map[string]time.Duration{"1m": c.OneMinute, "5m": c.FiveMinutes, "15m": c.FifteenMinutes, "1h": c.OneHour} {
		l.require(v >= c.Raw, "retention."+key, "%s is less than retention.raw, %s", v, c.Raw)
	}
}

func (l *loader) checkAPI() {
	c := &l.config.API
	l.between("api.port", c.Port, 0, 65535)
	l.require(c.Host == "" || hostname.Valid(c.Host), "api.host", "%q is neither a host name nor an IP address", c.Host)
	switch c.TLS {
	case TLSOwn:
		l.withoutFiles()
	case TLSFiles:
		l.require(c.CertFile != "", "api.cert_file", "is empty, but api.tls is %q", TLSFiles)
		l.require(c.KeyFile != "", "api.key_file", "is empty, but api.tls is %q", TLSFiles)
	case TLSOff:
		l.withoutFiles()
		l.require(hostname.Loopback(c.Host) || len(c.TrustedProxies) > 0, "api.tls",
			"%q needs a loopback address, as 127.0.0.1, in api.host (it is %q, %s) or a proxy in api.trusted_proxies", TLSOff, c.Host, l.origins.ByKey["api.host"])
	default:
		l.require(false, "api.tls", "%q is not own, files or off", c.TLS)
	}
	for _, host := range c.TrustedHosts {
		l.require(host == api.AnyHost || hostname.Valid(host), "api.trusted_hosts", "%q is neither a host name, an IP address nor *", host)
	}
	for _, origin := range c.CORSOrigins {
		l.require(validOrigin(origin), "api.cors_origins",
			"%q is no origin as browsers write it: http:// or https://, a host in lower case, a port if it is not the usual one", origin)
	}
	l.between("api.rate_anonymous", c.RateAnonymous, 0, maxRate)
	l.between("api.rate_user", c.RateUser, 0, maxRate)
	l.between("api.rate_service", c.RateService, 0, maxRate)
}

// validOrigin reports whether s is an origin exactly as a browser sends it
// (RFC 6454, section 6.2); any other text would never match one.
func validOrigin(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Scheme+"://"+u.Host != s || strings.ToLower(s) != s {
		return false
	}
	usual := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	return hostname.Valid(u.Hostname()) && u.Port() != usual && !strings.HasSuffix(u.Host, ":")
}

func (l *loader) withoutFiles() {
	c := &l.config.API
	l.require(c.CertFile == "", "api.cert_file", "is set, but api.tls is %q and not %q", c.TLS, TLSFiles)
	l.require(c.KeyFile == "", "api.key_file", "is set, but api.tls is %q and not %q", c.TLS, TLSFiles)
}

// checkBroker: passwords do not cross a network in the clear.
func (l *loader) checkBroker() {
	c := &l.config.MQTT
	switch c.Broker {
	case BrokerEmbedded:
		l.require(c.BrokerURL == "", "mqtt.broker_url", "is set, but mqtt.broker is %q", BrokerEmbedded)
	case BrokerExternal:
		u, err := url.Parse(c.BrokerURL)
		good := err == nil && u.Port() != "" && u.User == nil && (u.Scheme == "ssl" || u.Scheme == "tcp" && hostname.Loopback(u.Hostname()))
		l.require(good, "mqtt.broker_url", "%q is neither ssl://host:port nor tcp:// on loopback", c.BrokerURL)
		l.require(c.BrokerPassword != "", "mqtt.broker_password", "is empty, but mqtt.broker is %q", BrokerExternal)
		l.require(c.PlainAddr == "", "mqtt.plain_addr", "is set, but mqtt.broker is %q", BrokerExternal)
	default:
		l.require(false, "mqtt.broker", "%q is neither %s nor %s", c.Broker, BrokerEmbedded, BrokerExternal)
	}
}

func (l *loader) checkMQTT() {
	c := &l.config
	l.checkBroker()
	l.between("mqtt.rate_connect", c.MQTT.RateConnect, 0, maxRate)
	l.between("mqtt.rate_failed_login", c.MQTT.RateFailedLogin, 0, maxRate)
	host, port, ok := splitAddr(c.MQTT.Addr)
	l.require(ok, "mqtt.addr", "%q is not host:port", c.MQTT.Addr)
	l.require(!ok || port == 0 || port != c.API.Port || !sameHost(host, c.API.Host), "mqtt.addr",
		"port %d of %q is the API's own", port, host)
	if c.MQTT.PlainAddr == "" {
		return
	}
	plainHost, plainPort, plainOK := splitAddr(c.MQTT.PlainAddr)
	l.require(plainOK, "mqtt.plain_addr", "%q is not host:port", c.MQTT.PlainAddr)
	l.require(!plainOK || hostname.Loopback(plainHost), "mqtt.plain_addr",
		"%q is no loopback address; MQTT without TLS never leaves the machine", plainHost)
	l.require(!ok || !plainOK || port == 0 || port != plainPort || !sameHost(host, plainHost), "mqtt.plain_addr",
		"port %d is mqtt.addr's", plainPort)
}

func (l *loader) checkDatabase() {
	c := &l.config.Database
	l.require(c.OwnerURL == "" || c.OwnerURL != c.URL, "database.owner_url", "is database.url; name the role that owns the tables, or none")
	l.require(c.URL == "" || c.Name == "", "database.name", "is set, and so is database.url; keep one of the two")
	if c.URL == "" {
		l.require(c.Name != "" || l.profile != ProfileServe, "database.url",
			"is needed: set LUCID_DATABASE_URL, or LUCID_DATABASE_NAME with libpq's variables; all commands but serve find that of make run with LUCID_DATA_DIR=.lucid")
		return
	}
	if !strings.Contains(string(c.URL), "://") {
		l.require(strings.Contains(string(c.URL), "="), "database.url", "is neither postgres://... nor key=value pairs")
		return
	}
	u, err := url.Parse(string(c.URL)) // its error would quote the password
	l.require(err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql"), "database.url",
		"is no URL that begins with postgres:// or postgresql://")
}

func (l *loader) checkPool() {
	c := &l.config.Pool
	l.between("pool.max_nodes", c.MaxNodes, 1, pool.MaxNodes)
	l.between("pool.min_nodes", c.MinNodes, 1, pool.MaxNodes)
	l.lasts("pool.health_check_interval", c.HealthInterval, minInterval, maxInterval)
}

func (l *loader) checkPoot() {
	c := &l.config.Poot
	l.lasts("poot.interval", c.Interval, minInterval, maxInterval)
	l.require(c.Deadline > 0 && c.Deadline <= c.Interval/2, "poot.deadline",
		"%s is not above 0 and at most half of poot.interval (%s)", c.Deadline, c.Interval)
	l.require(c.Validity >= c.Deadline && c.Validity <= maxValidity, "poot.validity",
		"%s is not between poot.deadline (%s) and %s", c.Validity, c.Deadline, maxValidity)
	l.between("poot.puzzles", c.Puzzles, 1, proof.MaxCount)
	l.between("poot.difficulty", c.Difficulty, challenge.Calibrated, proof.MaxDifficulty)
	if c.Puzzles >= 1 && c.Puzzles <= proof.MaxCount {
		highest := challenge.HighestDifficulty("", c.Puzzles, c.Deadline)
		l.require(c.Difficulty <= highest, "poot.difficulty", "%d with %d puzzles is more than a quarter of what the fastest machine could search in poot.deadline (%s), limit is %d",
			c.Difficulty, c.Puzzles, c.Deadline, highest)
	}
}

func (l *loader) checkEpoch() {
	c := &l.config.Epoch
	l.lasts("epoch.length", c.Length, minInterval, maxInterval)
	l.require(c.Length%time.Second == 0, "epoch.length", "%s is not whole seconds", c.Length)
	l.require(c.Length > 0 && 24*time.Hour%c.Length == 0, "epoch.length", "a day does not hold a whole number of %s", c.Length)
	l.require(c.Grace >= 0 && c.Grace < c.Length, "epoch.grace",
		"%s is not from 0 up to epoch.length (%s)", c.Grace, c.Length)
	l.require(c.DailyCap >= 0, "epoch.daily_cap_usdt", "%s is negative", c.DailyCap)
}

func (l *loader) checkPayout() {
	c := &l.config.Payout
	l.lasts("payout.interval", c.Interval, minInterval, maxInterval)
	l.require(c.Min > 0, "payout.min_usdt", "%s is not above 0", c.Min)
	l.require(c.Threshold >= c.Min, "payout.threshold_usdt", "%s is below payout.min_usdt (%s)", c.Threshold, c.Min)
	l.require(c.Max >= c.Threshold, "payout.max_usdt", "%s is below payout.threshold_usdt (%s)", c.Max, c.Threshold)
	l.require(c.FeeMin >= 0 && c.FeeMin < max(c.Min, 1), "payout.fee_min_usdt",
		"%s is not from 0 up to payout.min_usdt (%s): it would eat a whole payout", c.FeeMin, c.Min)
	l.require(c.FeeMax == 0 || c.FeeMax >= c.FeeMin, "payout.fee_max_usdt",
		"%s is below payout.fee_min_usdt (%s)", c.FeeMax, c.FeeMin)
	l.require(c.Approval >= 0, "payout.approval_usdt", "%s is below 0", c.Approval)
	for _, own := range c.OwnAddresses {
		if _, err := tron.ParseAddress(own); err != nil {
			l.require(false, "payout.own_addresses", "%s", err)
		}
	}
	l.require(c.FeePercent < percent100 || c.FeeMax > 0 && c.FeeMax < c.Min, "payout.fee_percent",
		"%s would eat a whole payout", c.FeePercent)
}

// splitAddr takes host:port apart; port 0 means any free one.
func splitAddr(addr string) (host string, port int, ok bool) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil || (host != "" && !hostname.Valid(host)) {
		return "", 0, false
	}
	n, err := strconv.ParseUint(text, 10, 16)
	return host, int(n), err == nil
}

// sameHost reports whether two listeners can meet: equal hosts, or one of
// them takes every address.
func sameHost(a, b string) bool { return a == b || hostname.Wildcard(a) || hostname.Wildcard(b) }
