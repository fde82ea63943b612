# 管理员负责的事务。
admin-overview = 概览
admin-more = 下一页
admin-none-found = 没有符合的条目。
admin-show-all = 显示全部
admin-room-users = 人员
admin-room-access = 访问权限
admin-room-keys = API 密钥
admin-room-sessions = 会话
admin-room-models = 语言模型
admin-room-servers = MCP 服务器
admin-room-jobs = 任务
admin-room-settings = 设置

admin-done-user = 账号已更改，立即在各处生效。
admin-done-user-deleted = 账号已删除。
admin-done-session = 会话已结束。
admin-done-visibility = 文库的可见范围已更改。
admin-done-grant = 已授权。
admin-done-grant-revoked = 已收回授权。
admin-done-key-enabled = API 密钥已重新启用。
admin-done-key-disabled = API 密钥已停用，立即在各处生效。
admin-done-key-deleted = API 密钥已删除。
admin-done-model = 语言模型已添加，请测试。
admin-done-model-changed = 语言模型已更改。
admin-done-model-deleted = 语言模型及其密钥已删除。
admin-done-server = MCP 服务器已添加，请测试。
admin-done-server-changed = MCP 服务器已更改。
admin-done-server-deleted = MCP 服务器及其密钥已删除。
admin-done-job-again = 正在重试。
admin-done-job-discarded = 任务已删除。
admin-done-job-none = 没有可处理的失败任务。
admin-done-settled = 已处理。之后再发生会成为新条目。

admin-users-about = 有哪些人，各有什么权限，以及设置密码的链接。
admin-users-find = 用户名或邮箱
admin-user-new = 添加人员
admin-user-new-hint = 创建后会显示一次链接，对方凭它设置密码。
admin-user-make = 创建账号
admin-user-role = 角色
admin-role-about-user = 阅读团队可读的内容，在获得授权处写入
admin-role-about-editor = 创建文库，并可写入团队可读的文库
admin-role-about-admin = 拥有全部权限
admin-user-inactive = 已停用
admin-user-active = 可以登录（取消后，其会话全部结束，API 密钥全部失效）
admin-user-last-login = { $ago }登录
admin-user-never = 从未登录
admin-link-about = 对方凭链接设置新密码。之前的链接随即失效。
admin-link-make = 创建链接
admin-link-title = 设置密码的链接
admin-link-heading = 给 { $name } 的链接
admin-link-once = 请立即复制此链接，之后不再显示。持有链接的人即可设置该用户的密码。
admin-link-until = 有效期至
admin-user-delete = 删除账号
admin-user-delete-this = 删除 { $name }
admin-user-delete-lost = 其会话、API 密钥和授权，以及全部问答和附件都会删除；其添加的文档和批注会保留。此操作无法撤销。

admin-access-about = 谁可以阅读、写入和管理哪些文库。
admin-access-find = 文库名称
admin-access-none = 还没有文库。
admin-visibility = 无需授权即可阅读的人
admin-visibility-private = 私有
admin-visibility-team = 团队
admin-visibility-public = 公开
admin-visibility-about-private = 无人
admin-visibility-about-team = 所有登录的人
admin-visibility-about-public = 所有能访问服务器的人
admin-grants = 授权
admin-grants-about = 授权在角色和可见范围之外另行增加权限。管理员拥有所有文库。
admin-grants-none = 这里还没有授权。
admin-grant-level = 权限
admin-level-read = 可阅读和检索
admin-level-write = 可添加和修改文档
admin-level-own = 可管理文库
admin-grant-give = 授权
admin-grant-revoke = 收回
admin-count-grants = { $count } 项授权
admin-count-libraries = { $count } 个文库

admin-keys-about = 所有人的 API 密钥、最近使用时间，以及停用和删除。
admin-keys-find = API 密钥或所有者的名称
admin-key-owner = 在命令行创建
admin-sessions-about = 所有人已登录的设备。
admin-sessions-none = 没有已登录的设备。
admin-session-end = 结束
admin-sessions-end-all = 结束其全部会话

admin-name = 名称
admin-name-hint = 小写字母、数字、点、下划线和连字符
admin-description = 说明
admin-endpoint = 地址
admin-api-key = API 密钥
admin-api-key-hint = 可不填。密钥加密保存，不再显示。
admin-api-key-kept = 已加密保存。仅在更换时填写；换到其他主机时须重新填写。
admin-api-key-remove = 移除密钥
admin-has-key = 有密钥
admin-enabled = 可以使用
admin-test = 测试
admin-testing = 正在询问……
admin-test-failed = 无法使用：
admin-delete-this = 删除 { $name }

admin-models-about = 用于回答问题的 OpenAI 兼容端点。
admin-models-none = 还没有语言模型。
admin-models-none-about = 没有语言模型也可以检索；成文的回答需要语言模型。任何 OpenAI 兼容端点都可以，包括本机运行的。
admin-model-default = 默认
admin-model-make-default = 设为默认
admin-model-new = 添加语言模型
admin-model-add = 添加模型
admin-model-model = 模型 ID
admin-model-answers = 默认模型
admin-model-limits = 限制
admin-limit-context_tokens = 上下文（token）
admin-limit-answer_tokens = 最长回答（token）
admin-limit-first_seconds = 首段等待秒数
admin-limit-idle_seconds = 后续各段等待秒数
admin-limit-concurrency = 同时回答数
admin-model-works = 可以使用：{ $milliseconds } 毫秒。
admin-model-said = 被问到天空的颜色时，它回答：
admin-model-delete-lost = 其密钥一并删除。指定了它的问答在下次提问时会得到提示。

admin-servers-about = 可供提问的外部 MCP 服务器。
admin-servers-none = 还没有 MCP 服务器。
admin-servers-none-about = 添加后，可在文库之外一并询问。
admin-server-new = 添加 MCP 服务器
admin-server-add = 添加服务器
admin-server-header = 密钥所用请求头
admin-server-asked = 用于提问
admin-server-ask-tool = 用于提问的工具
admin-server-ask-hint = 提问时只调用这一个工具；留空则不向它提问。测试会列出它的工具。
admin-server-ask-argument = 工具中放置问题的参数
admin-server-more-tools = 还有更多工具未列出。
admin-server-delete-lost = 其密钥一并删除，以后不再向它提问。
admin-count-tools =
    { $count ->
        [0] 它没有工具。
       *[other] 它有 { $count } 个工具。
    }

admin-jobs-about = 后台任务。完成的任务不再列出；失败的任务会保留，直到您重试或删除。
admin-jobs-state = 状态
admin-jobs-kind = 种类
admin-jobs-none = 没有这样的任务，全部已完成。
admin-job-waiting = 等待中
admin-job-running = 进行中
admin-job-dead = 已失败
admin-job-tries =
    { $count ->
        [0] 尚未尝试
       *[other] 尝试了 { $count } 次
    }
admin-job-written = { $ago }创建
admin-job-due = { $ago }执行
admin-job-retry = 重试
admin-job-discard = 删除
admin-job-discard-lost = 该任务不会完成，也不再重试。
admin-jobs-retry-all = 重试全部 { $count } 个失败任务
admin-jobs-discard-all = 删除全部失败任务
admin-jobs-discard-sure = 永久删除 { $count } 个任务
admin-count-dead = { $count } 个失败任务
admin-none-dead = 没有失败任务
admin-count-at-work = { $count } 个等待中或进行中

admin-settings-about = 设置及其来源、版本、索引与向量。
admin-state = 索引与向量
admin-index-even = 索引为最新
admin-index-behind = 索引落后 { $count } 处更改
admin-index-building = 正在建立索引
admin-vectors-whole = 向量齐全
admin-vectors-missing = { $count } 段文字缺少向量
admin-model-loading = 正在加载向量模型
admin-model-off = 仅关键词检索
admin-model-name = 向量模型：
admin-versions = 版本
admin-database-own = 内置
admin-database-given = 自备
admin-schema = 数据库结构版本
admin-schema-amiss = { $count } 个迁移未应用
admin-data = 数据目录
admin-in-force = 当前设置
admin-in-force-about = 设置在启动时读取一次，依次取自命令行参数、环境变量、配置文件和默认值。机密值不显示。
admin-setting-secret = 已设置，不显示
admin-setting-unset = 未设置
admin-source-flag = 命令行参数
admin-source-environment = 环境变量
admin-source-file = 配置文件
admin-source-default = 默认
