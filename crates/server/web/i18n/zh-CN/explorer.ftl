# 试用 GraphQL 的页面。
explorer-title = GraphQL 浏览器
explorer-what = 以您的身份试用查询；运行的内容（包括更改）会真正执行。
explorer-no-script = 本页需要 JavaScript。模式见指南。
explorer-query = 查询
explorer-variables = 变量（JSON）
explorer-run = 运行
explorer-running = 运行中…
explorer-invalid = 变量不是有效的 JSON：
explorer-answer = 响应
explorer-schema = 类型
explorer-filter = 筛选类型和字段
