# 各项设置的用途，以命令行选项命名。英文见 `wenyuan --help`，不在此重复。
setting-listen = 监听的地址和端口。要让其他机器访问，请在前面放置支持 TLS 的代理。
setting-data-dir = 文库数据所在的文件夹（默认为系统的数据文件夹；以 root 运行时为 /var/lib/wenyuan）。
setting-database-url = 使用自己的 PostgreSQL 服务器（15 或更新，pgvector 0.8 或更新），而不用内置的。
setting-owner-database-url = 以拥有并迁移数据库的角色连接同一数据库；此时 --database-url 的角色只读写数据。
setting-secret-key-file = 存放密钥的文件，每行一个，最新的在前（默认为数据文件夹中的 secret.key，首次启动时生成）。
setting-secret-key = 直接给出密钥，不用文件：32 字节的 base64 或十六进制；多个以逗号分隔，最新的在前。
setting-redis-url = 多个节点用来共享状态的 Redis 服务器（redis://、带 TLS 的 rediss://、unix://）。
setting-postgres = 内置 PostgreSQL 的程序文件夹，由 ./run 设置。
setting-embedding-model = 向量模型文件，由 ./run 设置。
setting-embedding = 用本地模型按含义检索（local），或只按词检索（none）。
setting-vector-budget-ms = 每次在向量图中查找可用的毫秒数，越多越准确。
setting-max-document-mib = 可接收的最大文档，以 MiB 计。
setting-read-seconds = 读取一篇文档最多可用的秒数。
setting-read-memory-mib = 读取一篇文档最多可用的内存，以 MiB 计。
setting-readers = 同时读取的文档数（默认为处理器数）。
setting-public-url = 人们访问服务器的地址（https://docs.example.org）：用于链接，也是服务器的名称之一。
setting-hosts = 服务器还以哪些名称应答，以逗号分隔。
setting-origins = 哪些其他网站的页面可以访问服务器（https://tools.example.org），以逗号分隔。
setting-trusted-proxies = 除本机外，哪些代理报告的客户端地址可信：地址或网段（10.0.0.0/8），以逗号分隔。
setting-smtp-url = 发送邮件的服务器：smtps://USER:PASSWORD@mail.example.org；smtp://…?tls=required 使用 STARTTLS；smtp://… 不加密。不设置则不发邮件。
setting-mail-from = 邮件的发件人：Wenyuan <wenyuan@example.org>。
setting-searxng-url = 用于网络提问、与 SearXNG 兼容的服务器（https://search.example.org）。不设置则不检索网络。
setting-rate-limit = 没有单独限额的 API 钥匙每分钟可发的请求数。
setting-share-links = 谁可以打开问答的分享链接：无人（off）、登录的人（team）、有链接的所有人（anyone）。
setting-log-format = 日志的写法：供人阅读（text），或每行一个 JSON 对象（json）。
setting-log = 写入哪些日志：error、warn、info、debug，或按模块（wenyuan=debug,library=info）。
setting-pool-min = 保持打开的数据库连接数。
setting-pool-max = 数据库连接数的上限。
setting-pool-acquire-seconds = 请求等待数据库连接的秒数，超过则回答 503。
setting-pool-idle-seconds = 空闲的数据库连接保留的秒数。
setting-pool-lifetime-seconds = 任何数据库连接的最长寿命，以秒计。
setting-pool-test = 取用连接前先试一次：多一次往返，但立即发现失效的连接。
