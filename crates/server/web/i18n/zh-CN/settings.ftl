# 各项设置的用途，以命令行选项命名。英文见 `wenyuan --help`，不在此重复。
setting-listen = 监听的地址和端口。要让其他机器访问，请在前面放置支持 TLS 的反向代理。
setting-public-url = 对外访问地址（https://docs.example.org）：用于生成链接，也作为可用的主机名。使用 https 时，Cookie 只通过 TLS 发送。
setting-hosts = 服务器接受的其他主机名，以逗号分隔。
setting-origins = 允许哪些其他网站的页面调用本服务器（https://tools.example.org），以逗号分隔。
setting-trusted-proxies = 除本机外，哪些代理的 X-Forwarded-For 可信：地址或网段（10.0.0.0/8），以逗号分隔。
setting-data-dir = 文库的数据目录（默认：以 root 运行时为 /var/lib/wenyuan，否则为系统的数据目录）。
setting-secret-key-file = 加密主密钥文件，每行一个，最新的在前（默认为数据目录中的 secret.key，首次启动时生成）。
setting-secret-key = 直接给出加密主密钥，不用文件：32 字节的 base64 或十六进制；多个以逗号分隔，最新的在前。
setting-database-url = 使用自己的 PostgreSQL 服务器（15 或更新，pgvector 0.8 或更新）的 URL，而不用内置的。
setting-owner-database-url = 以拥有并迁移数据库的角色连接同一数据库的 URL；此时 --database-url 的角色只读写数据。
setting-postgres = PostgreSQL 的程序目录，由 ./run 设置（默认为发行版自带的，没有则为数据目录中的 programs）。
setting-redis-url = 多个节点共用的缓存 Redis 服务器的 URL（redis://、带 TLS 的 rediss://、unix://）。
setting-smtp-url = SMTP 服务器的 URL：smtps://USER:PASSWORD@mail.example.org；smtp://…?tls=required 使用 STARTTLS；smtp://… 不加密。不设置则不发邮件。
setting-mail-from = 邮件的发件人，设置 SMTP 服务器时必填：Wenyuan <wenyuan@example.org>。
setting-embedding = 语义检索：用本地模型（local），或关闭而只用关键词检索（none）。
setting-embedding-model = 向量模型文件，由 ./run 设置（默认为发行版自带的）。
setting-vector-budget-ms = 每次向量检索的时间预算（毫秒），越大越精确。
setting-searxng-url = 联网提问使用的、与 SearXNG 兼容的服务器 URL（https://search.example.org）。不设置则不检索网络。
setting-max-document-mib = 文档大小上限（MiB）。
setting-read-seconds = 解析一篇文档的时限（秒）。
setting-read-memory-mib = 解析一篇文档的内存上限（MiB）。
setting-readers = 并行解析的文档数，1 到 64；计算向量的并行数为其一半（默认为处理器数）。
setting-rate-limit = API 密钥的默认限流（每分钟请求数）。
setting-share-links = 谁可以打开问答的分享链接：无人（off）、已登录的用户（team）、有链接的任何人（anyone）。分享中包含答案引用的段落。
setting-otlp-endpoint = 接收链路追踪数据的 OpenTelemetry Collector 的 URL（http://127.0.0.1:4318），使用 OTLP/HTTP。不设置则不记录 span。
setting-log-format = 日志格式：文本（text），或每行一个 JSON 对象（json）。
setting-log = 日志级别：error、warn、info、debug，也可按模块设置（info,library=debug）。默认：serve 为 info，其他命令为 warn。
setting-pool-min = 连接池的最小连接数。
setting-pool-max = 连接池的最大连接数。
setting-pool-acquire-seconds = 请求等待数据库连接的秒数，超过则返回 503。
setting-pool-idle-seconds = 超出最小数的空闲连接保留的秒数。
setting-pool-lifetime-seconds = 连接的最长存活时间（秒）。
setting-pool-test = 使用连接前先 ping（多一次往返）。
